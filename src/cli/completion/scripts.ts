/**
 * What each shell is given to read: it asks the program itself (`compozy __complete WORDS`), which answers a line for
 * each candidate, a tab before what it is, and `:files` where the names of files fit.
 */

export type Shell = 'bash' | 'zsh' | 'fish'

/** Where each script goes, for those who have read this far. */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# compozy completion bash > ~/.local/share/bash-completion/completions/compozy
_compozy() {
  local line word="\${COMP_WORDS[COMP_CWORD]}"
  # Bash parts words at the = of a flag.
  [[ $word == = ]] && word=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <("$1" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _compozy compozy
`,
  zsh: `#compdef compozy
# compozy completion zsh > ~/.zsh/completions/_compozy, with fpath=(~/.zsh/completions $fpath) before compinit
_compozy() {
  local line
  local -a described
  for line in "\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      _files
    elif [[ -n $line ]]; then
      described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( \${#described} )) && _describe compozy described
}
if [[ $funcstack[1] == _compozy ]]; then _compozy "$@"; else compdef _compozy compozy; fi
`,
  fish: `# compozy completion fish > ~/.config/fish/completions/compozy.fish
function __compozy_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c compozy -f -a '(__compozy_complete)'
`,
}
