use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{Error, LabName};

/// Longer than any of the small tools that a lab runs should take, even on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// What every process of a lab has in its environment, so that [`down`](crate::down) finds it wherever it is: not yet in its
/// namespace, or in one that has lost its name.
pub(crate) const MARK: &str = "CULVERT_LAB";

/// `program`, marked as this lab's.
pub(crate) fn marked(lab: &LabName, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env(MARK, lab.to_string());
    command
}

/// Runs to the end, within the deadline; standard output, or an error with what it said on standard error.
pub(crate) async fn run(command: Command, input: Option<&str>) -> Result<String, Error> {
    let shown = show(&command);
    let output = tokio::time::timeout(DEADLINE, output(command, input))
        .await
        .map_err(|_| Error::Deadline { command: shown.clone(), seconds: DEADLINE.as_secs() })??;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: shown, status: output.status.to_string(), stderr })
}

/// Runs to the end, however long it takes and whatever its exit status.
pub(crate) async fn output(mut command: Command, input: Option<&str>) -> Result<Output, Error> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| spawn_error(&command, error))?;
    let failed = |source| Error::Spawn { command: show(&command), source };
    let mut pipe = child.stdin.take();
    let write = async {
        if let (Some(mut pipe), Some(input)) = (pipe.take(), input) {
            // A program that ends without reading all says why on standard error, which tells more than a broken pipe.
            let _ = pipe.write_all(input.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    output.map_err(failed)
}

/// The error for a program that could not be started.
pub(crate) fn spawn_error(command: &Command, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        return Error::MissingTool { tool: command.as_std().get_program().to_string_lossy().into_owned() };
    }
    Error::Spawn { command: show(command), source }
}

/// The command as a person would type it, but for quotes.
pub(crate) fn show(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_say_what_ran_and_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo no luck >&2; exit 3"]);
        let error = run(command, Some("input")).await.unwrap_err().to_string();
        assert!(error.contains("sh -c") && error.contains("exit status: 3") && error.ends_with("no luck"), "{error}");

        let error = run(Command::new("no-such-tool"), None).await.unwrap_err();
        assert!(matches!(error, Error::MissingTool { tool } if tool == "no-such-tool"));
    }

    #[tokio::test]
    async fn input_reaches_the_program() {
        let long = "line\n".repeat(100_000);
        assert_eq!(run(Command::new("cat"), Some(&long)).await.unwrap(), long);
    }
}
