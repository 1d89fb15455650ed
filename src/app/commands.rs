//! Commands, reports and patrols, over MQTT or at the page: the same operations, each written into
//! the audit log with what came of it.

use super::inbound;
use super::patrols;
use super::patrols::Patrols;
use crate::access::Pace;
use crate::audit;
use crate::audit::{Actor, ActorKind, AuditRecord, Quota, Via};
use crate::config::Settings;
use crate::detection_log;
use crate::detection_log::DetectionLogWriter;
use crate::detection_log::PatrolNotice;
use crate::incident::{AnswerError, Incident, IncidentState, Patrol, Silence};
use crate::metrics::Metrics;
use crate::mqtt::{Inbound, Incoming, Key, Seal, Seals, Topics};
use crate::outbox::{Outbox, StateChange};
use crate::pipeline::Command;
use crate::pipeline::Core;
use crate::time::Stamp;
use crate::ward::Id;

/// The origin of a command, which vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The broker, which let it be written there.
    Broker,
    /// The key of the khu phố's team.
    Team,
    /// The page, where this one has signed in.
    Page(Actor),
}

impl Origin {
    /// `by`: as they say; at the page it is known better.
    fn actor(&self, by: &str) -> Actor {
        match self {
            Self::Broker => Actor::new(ActorKind::Mqtt, by),
            Self::Team => Actor::new(ActorKind::Team, by),
            Self::Page(who) => who.clone(),
        }
    }

    fn via(&self) -> Via {
        match self {
            Self::Broker | Self::Team => Via::Mqtt,
            Self::Page(_) => Via::Page,
        }
    }
}

/// The memory of MQTT's messages: which were taken in before, and how many come.
#[derive(Debug, Default)]
struct InboundGuard {
    seals: Seals,
    patrols: Patrols,
    /// To be written with what the message at hand has brought.
    notes: Vec<StateChange>,
    /// Of what is refused, or changes nothing.
    idle: Quota,
    /// Of each khu phố's reports and patrols.
    pace: Pace<Id>,
}

/// Takes in commands, and writes down what came of each.
pub(super) struct Commands {
    guard: InboundGuard,
    audit: audit::AuditLog,
    detection_writer: DetectionLogWriter,
    metrics: Metrics,
}

/// The outcome of a message over MQTT.
pub(super) enum Intake {
    /// The incident is another one now.
    Changed(Box<Incident>),
    /// It was so already; that may wait for the disk yet.
    Same,
    /// It means nothing here, now and for ever.
    Refused,
}

/// The content of one message, as far as it is believed.
enum ParsedMessage {
    In(Id, Command, Origin),
    /// The very same was taken in before.
    Again(Id),
}

impl Commands {
    pub(super) fn new(
        audit: audit::AuditLog,
        detection_writer: DetectionLogWriter,
        metrics: Metrics,
    ) -> Self {
        Self { guard: InboundGuard::default(), audit, detection_writer, metrics }
    }

    /// Returns what is to be noted since this was last asked.
    pub(super) fn take_notes(&mut self) -> Vec<StateChange> {
        std::mem::take(&mut self.guard.notes)
    }

    /// Takes back which signatures were taken in, and which patrols are still there.
    pub(super) fn recall_notes(&mut self, core: &mut Core, outbox: &Outbox, now: Stamp) {
        let read = |prefix| {
            outbox.state(prefix).unwrap_or_else(|error| {
                tracing::error!(%error, "what was noted can't be read back");
                Vec::new()
            })
        };
        self.guard.seals = Seals::restore(read(Seals::noted()));
        self.guard.patrols = Patrols::restore(read(patrols::NOTED));
        for (khu_pho, patrol) in self.guard.patrols.still_there(now.wall) {
            tracing::info!(%khu_pho, ?patrol, "a patrol is still there");
            if let Err(error) = core.on_command(&khu_pho, Command::Patrol(patrol), now) {
                tracing::warn!(%error, "a patrol is not taken back");
            }
        }
    }

    /// Takes in what came over MQTT.
    pub(super) fn on_message(
        &mut self,
        core: &mut Core,
        settings: &Settings,
        message: &Inbound,
        now: Stamp,
    ) -> Intake {
        let taken = match self.admit(settings, message, now) {
            Ok(ParsedMessage::In(khu_pho, command, origin)) => self
                .take_in(core, &khu_pho, command, origin, now)
                .map_err(|error| error.to_string()),
            Ok(ParsedMessage::Again(khu_pho)) => {
                tracing::info!(%khu_pho, topic = ?message.topic, "said again: ignored");
                Ok(None)
            }
            Err(error) => {
                self.write_refusal(&message.topic, &error, now);
                Err(error)
            }
        };
        match taken {
            Ok(Some(incident)) => Intake::Changed(Box::new(incident)),
            Ok(None) => Intake::Same,
            Err(error) => {
                tracing::warn!(topic = ?message.topic, error, "a message is refused");
                self.metrics.messages_refused.inc();
                Intake::Refused
            }
        }
    }

    /// Tells whether a message is from whom it must be, and means something.
    fn admit(
        &mut self,
        settings: &Settings,
        message: &Inbound,
        now: Stamp,
    ) -> Result<ParsedMessage, String> {
        let khu_pho = message.topic.khu_pho();
        if !settings.khu_pho.iter().any(|known| known.id == *khu_pho) {
            return Err(format!("there is no khu phố {khu_pho}"));
        }
        let mut origin = Origin::Broker;
        let teams = &settings.teams;
        if let Some(secret) = teams.get(khu_pho).and_then(|team| team.key.as_ref()) {
            let topic = Topics::new(settings.ward.id.clone()).of(&message.topic);
            let key = Key { secret, age_max: settings.mqtt.signed_age_max };
            let from = (khu_pho.as_str(), topic.as_str());
            let seal = self.guard.seals.check(from, &message.payload, &key, now.wall);
            match seal.map_err(|error| error.to_string())? {
                Seal::Repeated => return Ok(ParsedMessage::Again(khu_pho.clone())),
                Seal::Fresh(notes) => self.guard.notes.extend(notes),
            }
            origin = Origin::Team;
        }
        let read = inbound::read(&message.topic, &message.payload, now.wall);
        let (khu_pho, command) = read.map_err(|error| error.to_string())?;
        if matches!(command, Command::Report(_) | Command::Patrol(_)) {
            let a_minute = settings.mqtt.reports_per_minute;
            let taken = self.guard.pace.take(&khu_pho, a_minute, now.mono);
            taken.map_err(|wait| {
                format!("more than {a_minute} reports in a minute; wait {} s", wait.as_secs() + 1)
            })?;
        }
        Ok(ParsedMessage::In(khu_pho, command, origin))
    }

    /// Takes in what somebody of `khu_pho` said, and writes down what came of it. `Ok(None)`:
    /// nothing changes by it.
    ///
    /// # Errors
    /// [`AnswerError`] says why it can't be.
    pub(super) fn take_in(
        &mut self,
        core: &mut Core,
        khu_pho: &Id,
        command: Command,
        origin: Origin,
        now: Stamp,
    ) -> Result<Option<Incident>, AnswerError> {
        tracing::info!(%khu_pho, ?command, "taken in");
        if let Command::Patrol(patrol) = &command {
            let note = self.guard.patrols.take(khu_pho, patrol, now.wall);
            self.guard.notes.push(note);
            let Patrol { lasts, zone, .. } = patrol;
            let (khu_pho, zone) = (khu_pho.clone(), zone.clone());
            let notice = PatrolNotice { at: now, khu_pho, lasts: *lasts, zone };
            self.detection_writer.append(detection_log::LoggedInput::Patrol(notice));
        }
        let Act { action, by, subject, more } = Act::of(khu_pho, &command);
        let is_patrol = matches!(command, Command::Patrol(_));
        let result = core.on_command(khu_pho, command, now);
        let came = match &result {
            Ok(Some(Incident { id, revision, .. })) => format!("done: {id} revision {revision}"),
            Ok(None) if is_patrol => "done".to_owned(),
            Ok(None) => "already so".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        let detail = if more.is_empty() { came } else { format!("{came}; {more}") };
        let who = origin.actor(&by);
        let record = AuditRecord::new(who, origin.via(), action, &subject).detail(&detail);
        let is_idle = !is_patrol && !matches!(result, Ok(Some(_)));
        match origin {
            Origin::Broker | Origin::Team if is_idle => self.note_idle(record, now),
            _ => self.audit.note(record),
        }
        result
    }

    /// Writes down what was refused before it was understood.
    fn write_refusal(&mut self, topic: &Incoming, error: &str, now: Stamp) {
        let action = match topic {
            Incoming::Command { .. } => "command",
            Incoming::Report { .. } => "report",
            Incoming::Patrol { .. } => "patrol",
        };
        let subject = match topic {
            Incoming::Command { khu_pho, incident } => format!("{khu_pho}/{incident}"),
            _ => topic.khu_pho().to_string(),
        };
        // Whatever name it gives, nobody vouches for it.
        let who = Actor::new(ActorKind::Mqtt, "");
        let record = AuditRecord::new(who, Via::Mqtt, action, &subject);
        self.note_idle(record.detail(&format!("refused: {error}")), now);
    }

    /// Notes what changed nothing, as far as anybody may bring it about.
    fn note_idle(&mut self, record: AuditRecord, now: Stamp) {
        for record in self.guard.idle.take(record, now.mono) {
            self.audit.note(record);
        }
    }
}

/// A command, as the audit log tells it.
struct Act {
    action: &'static str,
    by: String,
    subject: String,
    more: String,
}

impl Act {
    fn of(khu_pho: &Id, command: &Command) -> Self {
        let quoted = |name: &str, text: &Option<String>| {
            text.as_ref().map(|text| format!("{name} {text:?}"))
        };
        let joined =
            |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        match command {
            Command::Answer(id, answer) => Self {
                action: match answer.state {
                    IncidentState::OnScene => "on_scene",
                    IncidentState::Resolved => "resolve",
                    IncidentState::FalseAlarm => "false_alarm",
                    IncidentState::Open | IncidentState::Acknowledged | IncidentState::Expired => {
                        "acknowledge"
                    }
                },
                by: answer.by.clone(),
                subject: format!("{khu_pho}/{id}"),
                more: joined(vec![quoted("note", &answer.note)]),
            },
            Command::Silence(id, silence) => Self {
                action: Silence::ACTION,
                by: silence.by.clone(),
                subject: format!("{khu_pho}/{id}"),
                more: String::new(),
            },
            Command::Report(report) => Self {
                action: "report",
                by: report.witness.by.clone(),
                subject: khu_pho.to_string(),
                more: joined(vec![
                    Some(report.kind.as_str().to_owned()),
                    quoted("place", &report.witness.place),
                    quoted("note", &report.witness.note),
                    report.exercise.then(|| "exercise".to_owned()),
                    report.siren.then(|| "siren".to_owned()),
                ]),
            },
            Command::Patrol(patrol) => Self {
                action: "patrol",
                by: patrol.team.clone(),
                subject: khu_pho.to_string(),
                more: joined(vec![
                    Some(format!("{} min", patrol.lasts.as_secs() / 60)),
                    quoted("zone", &patrol.zone),
                ]),
            },
        }
    }
}
