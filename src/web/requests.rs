//! The requests of people at the page to the core, and its answers.

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
    /// A command of a person of this khu phố, or for it.
    Command {
        /// The khu phố of the incident, report or patrol.
        khu_pho: Id,
        /// The person.
        who: Actor,
        /// The command.
        command: Command,
        /// The place where the answer goes.
        answered: oneshot::Sender<CommandOutcome>,
    },
    /// A person looks at this camera; sent again while they do.
    WatchCamera {
        /// The one concerned.
        camera: Id,
    },
}

/// The outcome of a command.
#[derive(Debug)]
pub enum CommandOutcome {
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
