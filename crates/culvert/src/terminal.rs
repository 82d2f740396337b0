//! What the standard output can show.

use std::io::IsTerminal;

/// The standard output, as far as printing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Characters on a line; `None`: no terminal, so nothing is cut.
    pub(crate) width: Option<usize>,
    pub(crate) colours: bool,
}

impl Screen {
    /// For a file, a pipe, or a test.
    pub(crate) const PLAIN: Screen = Screen { width: None, colours: false };

    pub(crate) fn of_stdout() -> Screen {
        let stdout = std::io::stdout();
        let size = terminal_size::terminal_size_of(&stdout);
        Screen { width: size.map(|(width, _)| usize::from(width.0)), colours: colours(&stdout) }
    }
}

/// Whether to colour what is written there: on a terminal, unless the environment says no (<https://no-color.org>).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !refused && !dumb
}
