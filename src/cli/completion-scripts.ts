/**
 * What a shell must be told, once, to complete the command line of zbus: ask `zbus complete` with
 * the words so far, and offer its lines. Written here and not taken from a package, because what
 * is typed so far must never be evaluated, and bash must not need anything installed.
 */

/** Bash cuts words at = and : too; here they are put together again, and replies cut as it does. */
const BASH = `# zbus completion for bash: source <(zbus completion bash)
_zbus_complete() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() stripped word prefix value about i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    stripped=\${rest#"\${rest%%[![:space:]]*}"}
    word=\${COMP_WORDS[i]}
    ((i == COMP_CWORD)) && word=$stripped
    if ((i == 0)) || [[ $stripped != "$rest" ]]; then
      words+=("$word")
    else
      words[\${#words[@]}-1]+=$word
    fi
    rest=\${stripped#"$word"}
  done
  local last=$((\${#words[@]} - 1))
  local current=\${words[last]}
  prefix=
  [[ $current == "$word" ]] || prefix=\${current%"\${current##*[=:]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then
      compopt -o default 2> /dev/null
    else
      COMPREPLY+=("\${value#"$prefix"}")
    fi
  done < <("$1" complete "--current=$current" -- "\${words[@]:1:last-1}" 2> /dev/null)
}
complete -F _zbus_complete zbus
`;

const ZSH = `#compdef zbus
# zbus completion for zsh: source <(zbus completion zsh), behind compinit
_zbus() {
  local -a candidates
  local value about files=
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then
      files=1
    else
      candidates+=("\${value//:/\\\\:}\${about:+:$about}")
    fi
  done < <(
    "$words[1]" complete "--current=\${(Q)PREFIX}" -- "\${(@Q)words[2,CURRENT-1]}" 2> /dev/null
  )
  (( $#candidates )) && _describe zbus candidates
  [[ -n $files ]] && _files
}
if [[ "$funcstack[1]" = _zbus ]]; then _zbus "$@"; else compdef _zbus zbus; fi
`;

const FISH = `# zbus completion for fish: zbus completion fish | source
function __zbus_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete "--current=$current" -- $words[2..-1] 2> /dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            printf '%s\\n' "$line"
        end
    end
end
complete -c zbus -f -a '(__zbus_complete)'
`;

const POWERSHELL = `# zbus completion for PowerShell:
# zbus completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName zbus -ScriptBlock {
  param($current, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements |
    Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
    Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  zbus complete "--current=$current" -- @words 2> $null | ForEach-Object {
    $value, $about = $_ -split "\`t", 2
    if (-not $about) { $about = $value }
    if ($value -ne ':files') {
      [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
    }
  }
}
`;

export const completionScripts = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
} as const;
export type Shell = keyof typeof completionScripts;
