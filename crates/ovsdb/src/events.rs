use uuid::Uuid;

use crate::Error;
use crate::codec::TableUpdates;
use crate::replica::{Bridge, Controller, Interface, OpenVSwitch, Port};

/// What a [`crate::Client`] reports, in the order in which it happened.
#[derive(Debug)]
pub enum Event {
    /// The connection stands, and the [`Event::Update`] that follows at once brings the replica up to date. `resumed`: with
    /// only the differences since the last connection. Otherwise with everything; either way the replica reports only what
    /// is different.
    Connected { resumed: bool },
    /// To be applied to the [`crate::Replica`].
    Update(Update),
    /// The connection is gone or could not be made; the client goes on trying.
    Disconnected(Error),
}

/// A batch of row updates: the effect of one transaction or of several in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// These are all the rows there are: what is not listed is gone.
    pub complete: bool,
    pub tables: TableUpdates,
}

/// A row that is different from what it was; how it is now stands in the replica.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    OpenVSwitch(Edit<OpenVSwitch>),
    Bridge(Edit<Bridge>),
    Port(Edit<Port>),
    Interface(Edit<Interface>),
    Controller(Edit<Controller>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Edit<T> {
    pub uuid: Uuid,
    pub kind: Kind<T>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind<T> {
    Inserted,
    Modified { old: T },
    Deleted { old: T },
}

impl<T> Kind<T> {
    /// The row as it was before; `None` if it is new.
    pub fn old(&self) -> Option<&T> {
        match self {
            Kind::Inserted => None,
            Kind::Modified { old } | Kind::Deleted { old } => Some(old),
        }
    }
}

impl Change {
    pub fn uuid(&self) -> Uuid {
        match self {
            Change::OpenVSwitch(edit) => edit.uuid,
            Change::Bridge(edit) => edit.uuid,
            Change::Port(edit) => edit.uuid,
            Change::Interface(edit) => edit.uuid,
            Change::Controller(edit) => edit.uuid,
        }
    }
}
