//! What people at the page ask of the core, and what it answers.

use tokio::sync::oneshot;

use crate::audit::Actor;
use crate::incident::AnswerError;
use crate::incident::IncidentId;
use crate::pipeline::Command;
use crate::ward::Id;

/// Questions that may wait for the core; then the page says that it is busy.
pub const REQUESTS_MAX: usize = 32;

/// A question or command from the page to the core task.
#[derive(Debug)]
pub enum PageRequest {
    /// Somebody of this khu phố, or for it, says something.
    Command {
        /// Whose incident, report or patrol it is.
        khu_pho: Id,
        /// Who they are.
        who: Actor,
        /// What they say.
        command: Command,
        /// Where the answer goes.
        answered: oneshot::Sender<Outcome>,
    },
    /// Somebody looks at this camera; said again while they do.
    WatchCamera {
        /// Which.
        camera: Id,
    },
}

/// What came of a command.
#[derive(Debug)]
pub enum Outcome {
    /// It was taken in.
    Done {
        /// The incident that it changed, where it changed one.
        incident: Option<IncidentId>,
        /// Answers once that is durable; an error: the daemon ends.
        durable: oneshot::Receiver<()>,
    },
    /// It was so before.
    Already {
        /// Answers once that is durable.
        durable: oneshot::Receiver<()>,
    },
    /// It can't be.
    Refused(AnswerError),
}
