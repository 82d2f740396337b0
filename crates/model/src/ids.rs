use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes of the UUID, most significant first.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads 16 bytes; any other length is an error.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| Error::Uuid(format!("{bytes:02x?}")))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::parse_str(text).map(Self).map_err(|_| Error::Uuid(text.to_owned()))
            }
        }
    };
}

id!(
    /// A network.
    NetworkId
);
id!(
    /// A port. It is also what an interface's `external_ids:iface-id` names.
    PortId
);
id!(
    /// A subnet.
    SubnetId
);
