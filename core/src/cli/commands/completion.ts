import { Command, type Option } from "commander";
import { faults } from "../../errors/catalogue.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";

/** What every command takes. */
const COMMON = ["--config", "--state", "--json", "--help"];

/** `belfry completion`: what makes a shell complete commands and options. */
const completion: CliCommand = {
  name: "completion",
  summary: "print what completes commands and options in bash, zsh or fish",
  define: (command) => {
    command.argument("<shell>", "bash, zsh or fish");
  },
  async run(session, [shell]) {
    const write = SHELLS[String(shell)];
    if (!write || !Object.hasOwn(SHELLS, String(shell))) {
      throw faults.usage("`belfry completion` needs one of: bash, zsh, fish.");
    }
    const commands = (await session.commands()).map((cli) => {
      const command = new Command(cli.name);
      cli.define(command);
      return { name: cli.name, summary: cli.summary, options: command.options };
    });
    const text = write(commands);
    session.print({ shell: String(shell), text }, () => text.trimEnd().split("\n"));
    return EXIT.fine;
  },
};

export default completion;

interface Known {
  name: string;
  summary: string;
  options: readonly Option[];
}

const SHELLS: Record<string, (commands: readonly Known[]) => string> = { bash, zsh, fish };

const flagsOf = ({ options }: Known) => [...options.flatMap((option) => option.long ?? []), ...COMMON];

function bash(commands: readonly Known[]): string {
  return `_belfry() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --config | --state) i=$((i + 1)) ;;
      -*) ;;
      *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "\${COMP_WORDS[COMP_CWORD - 1]}" in
    --config) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --state) COMPREPLY=($(compgen -d -- "$word")); return ;;
  esac
  case "$command" in
    "") COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} help ${COMMON.join(" ")}" -- "$word")) ;;
${commands.map((known) => `    ${known.name}) COMPREPLY=($(compgen -W "${flagsOf(known).join(" ")}" -- "$word")) ;;`).join("\n")}
  esac
}
complete -F _belfry belfry
`;
}

function zsh(commands: readonly Known[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
  return `#compdef belfry
_belfry() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quote(name)}:${quote(summary)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${commands.map((known) => `    ${known.name}) compadd -- ${flagsOf(known).join(" ")} ;;`).join("\n")}
  esac
}
compdef _belfry belfry
`;
}

function fish(commands: readonly Known[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return `complete -c belfry -f
complete -c belfry -l config -r -F -d 'the configuration'
complete -c belfry -l state -r -F -d 'the master'\\''s own folder'
complete -c belfry -l json -d 'print JSON, for programs'
${commands
  .flatMap((known) => [
    `complete -c belfry -n __fish_use_subcommand -a ${known.name} -d ${quote(known.summary)}`,
    ...known.options
      .filter((option) => option.long)
      .map(
        (option) =>
          `complete -c belfry -n '__fish_seen_subcommand_from ${known.name}' -l ${option.long?.slice(2)} -d ${quote(option.description)}`,
      ),
  ])
  .join("\n")}
`;
}
