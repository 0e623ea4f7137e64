/** Small pieces that several views show. */
import type { ComponentChildren } from 'preact';
import { exactTime, maskNames, timeText } from '../model/text.js';

export function Figure(props: {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly title?: string;
}) {
  return (
    <div class="figure" title={props.title}>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

export function Time({ atMs }: { readonly atMs: number }) {
  return (
    <time dateTime={exactTime(atMs)} title={exactTime(atMs)}>
      {timeText(atMs)}
    </time>
  );
}

export function Masks({ mask }: { readonly mask: number }) {
  return (
    <>
      {maskNames(mask).map((name) => (
        <span key={name} class="chip">
          {name}
        </span>
      ))}
    </>
  );
}

export function CopyButton({ text, name }: { readonly text: string; readonly name: string }) {
  return (
    <button type="button" class="quiet" onClick={() => void navigator.clipboard.writeText(text)}>
      {name}
    </button>
  );
}
