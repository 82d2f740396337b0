use std::process::ExitCode;

use clap::CommandFactory as _;
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
        clap_complete::generate(self.shell, &mut super::Cli::command(), "culvert", &mut std::io::stdout());
        ExitCode::SUCCESS
    }
}
