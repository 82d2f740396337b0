use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;

/// Print a script that completes culvert's verbs and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert completion bash > /etc/bash_completion.d/culvert
  culvert completion zsh > /usr/local/share/zsh/site-functions/_culvert
  culvert completion fish > ~/.config/fish/completions/culvert.fish")]
pub(crate) struct Args {
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self) -> ExitCode {
        let command = super::Cli::command();
        let mut command = if self.shell == Shell::Zsh { escaped(command) } else { command };
        clap_complete::generate(self.shell, &mut command, "culvert", &mut std::io::stdout());
        ExitCode::SUCCESS
    }
}

/// To zsh a colon in what stands for a value begins a command that completes it.
fn escaped(command: Command) -> Command {
    let escape = |arg: Arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| name.replace(':', "\\:")).collect();
        if names.iter().any(|name| name.contains('\\')) { arg.value_names(names) } else { arg }
    };
    command.mut_args(escape).mut_subcommands(escaped)
}
