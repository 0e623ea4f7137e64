/** A dialog of the browser's own kind: Escape closes it, the focus stays in it and goes back. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="dialog-title">
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

export interface FormProps {
  /** On the button. */
  readonly action: string;
  /** On the button beside it; default `Cancel`. */
  readonly cancel?: string;
  readonly dangerous?: boolean;
  readonly disabled?: boolean;
  /** Rejects with what is shown to the user. */
  readonly onSubmit: () => Promise<unknown>;
  readonly onCancel: () => void;
  readonly children: ComponentChildren;
}

/** A form whose action may fail: says why, and stays. */
export function ActionForm(props: FormProps) {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await props.onSubmit();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {props.children}
      <p class="problem" role="alert">
        {problem}
      </p>
      <p class="buttons">
        <button
          class={props.dangerous === true ? 'danger' : 'primary'}
          disabled={busy || props.disabled === true}
        >
          {props.action}
        </button>
        <button type="button" class="quiet" onClick={props.onCancel}>
          {props.cancel ?? 'Cancel'}
        </button>
      </p>
    </form>
  );
}

export interface ConfirmProps {
  readonly title: string;
  readonly text: string;
  /** To be typed before the action can be taken; null: nothing. */
  readonly typed: string | null;
  readonly action: string;
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

export function Confirm({ title, text, typed, action, onConfirm, onClose }: ConfirmProps) {
  const [value, setValue] = useState('');
  return (
    <Dialog title={title} onClose={onClose}>
      <ActionForm
        action={action}
        dangerous
        disabled={typed !== null && value !== typed}
        onCancel={onClose}
        onSubmit={async () => {
          await onConfirm();
          onClose();
        }}
      >
        <p>{text}</p>
        {typed !== null && (
          <label>
            Type <code>{typed}</code> to confirm
            <input
              value={value}
              autocomplete="off"
              onInput={(event) => setValue(event.currentTarget.value)}
            />
          </label>
        )}
      </ActionForm>
    </Dialog>
  );
}
