use std::fmt;

/// A switch's refusal (section 7.5.4): what kind, which code, and the start of the message that it refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SwitchError {
    /// `OFPET_*`; 0xffff: an experimenter's.
    pub kind: u16,
    /// `OFP*_*` of that kind; an experimenter's own number.
    pub code: u16,
    pub experimenter: Option<u32>,
    pub data: Vec<u8>,
}

/// The Open Networking Foundation's experimenter number.
pub(crate) const ONF: u32 = 0x4f4e_4600;

const EXPERIMENTER: u16 = 0xffff;
const BUNDLE_FAILED: u16 = 17;

/// Codes of the ONF's errors for bundles in 1.3 are those of 1.4 above this number.
const ONF_BUNDLE_ERRORS: u16 = 2300;

impl SwitchError {
    /// The switch does not know this kind of message at all (rather than: this message is wrong).
    pub fn is_unsupported(&self) -> bool {
        matches!((self.kind, self.code), (1, 1..=4)) || self.bundle_code() == Some(10)
    }

    /// Its name in the specification, such as `OFPBAC_BAD_OUT_PORT`.
    pub fn name(&self) -> Option<&'static str> {
        self.row().map(|(name, _)| *name)
    }

    /// `OFPBFC_*`, in whichever version's form it came.
    pub(crate) fn bundle_code(&self) -> Option<u16> {
        match (self.kind, self.experimenter) {
            (BUNDLE_FAILED, None) => Some(self.code),
            (EXPERIMENTER, Some(ONF)) => self.code.checked_sub(ONF_BUNDLE_ERRORS).filter(|code| *code < 100),
            _ => None,
        }
    }

    fn row(&self) -> Option<&'static (&'static str, &'static str)> {
        if let Some(code) = self.bundle_code() {
            return BUNDLE.get(usize::from(code));
        }
        let codes: &[(&str, &str)] = match self.kind {
            0 => HELLO,
            1 => REQUEST,
            2 => ACTION,
            3 => INSTRUCTION,
            4 => MATCH,
            5 => FLOW_MOD,
            _ => return None,
        };
        codes.get(usize::from(self.code))
    }
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row(), self.experimenter) {
            (Some((name, sentence)), _) => write!(f, "{sentence} ({name})"),
            (None, Some(experimenter)) => write!(f, "experimenter {experimenter:#010x}'s error {}", self.code),
            (None, None) => {
                let kind = KINDS.get(usize::from(self.kind)).unwrap_or(&"error of unknown type");
                write!(f, "{kind} (type {}, code {})", self.kind, self.code)
            }
        }
    }
}

impl std::error::Error for SwitchError {}

const KINDS: &[&str] = &[
    "hello failed",
    "bad request",
    "bad action",
    "bad instruction",
    "bad match",
    "flow-mod failed",
    "group-mod failed",
    "port-mod failed",
    "table-mod failed",
    "queue operation failed",
    "switch configuration failed",
    "role request failed",
    "meter-mod failed",
    "table features failed",
    "bad property",
    "configuration of reports failed",
    "flow monitor failed",
    "bundle failed",
];

const HELLO: &[(&str, &str)] =
    &[("OFPHFC_INCOMPATIBLE", "no version of OpenFlow in common"), ("OFPHFC_EPERM", "not permitted to connect")];

const REQUEST: &[(&str, &str)] = &[
    ("OFPBRC_BAD_VERSION", "a message of another version than agreed"),
    ("OFPBRC_BAD_TYPE", "a type of message that the switch does not know"),
    ("OFPBRC_BAD_MULTIPART", "a type of multipart request that the switch does not know"),
    ("OFPBRC_BAD_EXPERIMENTER", "an experimenter that the switch does not know"),
    ("OFPBRC_BAD_EXP_TYPE", "an experimenter's message that the switch does not know"),
    ("OFPBRC_EPERM", "not permitted"),
    ("OFPBRC_BAD_LEN", "a message of the wrong length"),
    ("OFPBRC_BUFFER_EMPTY", "a buffered packet that has been used already"),
    ("OFPBRC_BUFFER_UNKNOWN", "a buffered packet that the switch does not have"),
    ("OFPBRC_BAD_TABLE_ID", "a table that the switch does not have"),
    ("OFPBRC_IS_SLAVE", "not permitted in this role"),
    ("OFPBRC_BAD_PORT", "a port that cannot be"),
    ("OFPBRC_BAD_PACKET", "a packet that cannot be"),
    ("OFPBRC_MULTIPART_BUFFER_OVERFLOW", "a multipart request too long for the switch"),
    ("OFPBRC_MULTIPART_REQUEST_TIMEOUT", "a multipart request that was never finished"),
    ("OFPBRC_MULTIPART_REPLY_TIMEOUT", "a multipart reply that was never finished"),
];

const ACTION: &[(&str, &str)] = &[
    ("OFPBAC_BAD_TYPE", "an action that the switch does not know"),
    ("OFPBAC_BAD_LEN", "an action of the wrong length"),
    ("OFPBAC_BAD_EXPERIMENTER", "an action of an experimenter that the switch does not know"),
    ("OFPBAC_BAD_EXP_TYPE", "an experimenter's action that the switch does not know"),
    ("OFPBAC_BAD_OUT_PORT", "an output to a port that cannot be"),
    ("OFPBAC_BAD_ARGUMENT", "an action with an argument that cannot be"),
    ("OFPBAC_EPERM", "an action that is not permitted"),
    ("OFPBAC_TOO_MANY", "too many actions"),
    ("OFPBAC_BAD_QUEUE", "a queue that the switch does not have"),
    ("OFPBAC_BAD_OUT_GROUP", "a group that the switch does not have"),
    ("OFPBAC_MATCH_INCONSISTENT", "an action on a field that the match does not make sure of"),
    ("OFPBAC_UNSUPPORTED_ORDER", "an order of actions that the switch cannot do"),
    ("OFPBAC_BAD_TAG", "a tag that the switch cannot push"),
    ("OFPBAC_BAD_SET_TYPE", "a field that the switch cannot set"),
    ("OFPBAC_BAD_SET_LEN", "a field set to a value of the wrong length"),
    ("OFPBAC_BAD_SET_ARGUMENT", "a field set to a value that cannot be"),
    ("OFPBAC_BAD_SET_MASK", "a field set under a mask that cannot be"),
];

const INSTRUCTION: &[(&str, &str)] = &[
    ("OFPBIC_UNKNOWN_INST", "an instruction that the switch does not know"),
    ("OFPBIC_UNSUP_INST", "an instruction that the switch cannot do"),
    ("OFPBIC_BAD_TABLE_ID", "a jump to a table that the switch cannot jump to"),
    ("OFPBIC_UNSUP_METADATA", "metadata that the switch cannot hold"),
    ("OFPBIC_UNSUP_METADATA_MASK", "a mask of metadata that the switch cannot do"),
    ("OFPBIC_BAD_EXPERIMENTER", "an instruction of an experimenter that the switch does not know"),
    ("OFPBIC_BAD_EXP_TYPE", "an experimenter's instruction that the switch does not know"),
    ("OFPBIC_BAD_LEN", "an instruction of the wrong length"),
    ("OFPBIC_EPERM", "an instruction that is not permitted"),
    ("OFPBIC_DUP_INST", "an instruction given twice"),
];

const MATCH: &[(&str, &str)] = &[
    ("OFPBMC_BAD_TYPE", "a kind of match that the switch does not know"),
    ("OFPBMC_BAD_LEN", "a match of the wrong length"),
    ("OFPBMC_BAD_TAG", "a tag that the switch cannot match"),
    ("OFPBMC_BAD_DL_ADDR_MASK", "a mask of a MAC address that the switch cannot do"),
    ("OFPBMC_BAD_NW_ADDR_MASK", "a mask of an IP address that the switch cannot do"),
    ("OFPBMC_BAD_WILDCARDS", "a combination of wildcards that the switch cannot do"),
    ("OFPBMC_BAD_FIELD", "a field that the switch does not know"),
    ("OFPBMC_BAD_VALUE", "a field matched against a value that cannot be"),
    ("OFPBMC_BAD_MASK", "a field matched under a mask that cannot be"),
    ("OFPBMC_BAD_PREREQ", "a field whose prerequisite (such as the Ethernet type) is not matched"),
    ("OFPBMC_DUP_FIELD", "a field matched twice"),
    ("OFPBMC_EPERM", "a match that is not permitted"),
];

const FLOW_MOD: &[(&str, &str)] = &[
    ("OFPFMFC_UNKNOWN", "a flow-mod refused for a reason that the switch does not tell"),
    ("OFPFMFC_TABLE_FULL", "the table is full"),
    ("OFPFMFC_BAD_TABLE_ID", "a table that the switch does not have"),
    ("OFPFMFC_OVERLAP", "a flow that overlaps another of the same priority"),
    ("OFPFMFC_EPERM", "a flow-mod that is not permitted"),
    ("OFPFMFC_BAD_TIMEOUT", "a time-out that the switch cannot do"),
    ("OFPFMFC_BAD_COMMAND", "a command that the switch does not know"),
    ("OFPFMFC_BAD_FLAGS", "a flag that the switch does not know"),
    ("OFPFMFC_CANT_SYNC", "a table that cannot be kept in step"),
    ("OFPFMFC_BAD_PRIORITY", "a priority that the switch cannot do"),
    ("OFPFMFC_IS_SYNC", "a flow that is kept in step with another table"),
];

const BUNDLE: &[(&str, &str)] = &[
    ("OFPBFC_UNKNOWN", "a bundle refused for a reason that the switch does not tell"),
    ("OFPBFC_EPERM", "a bundle that is not permitted"),
    ("OFPBFC_BAD_ID", "a bundle that the switch does not have"),
    ("OFPBFC_BUNDLE_EXIST", "a bundle that exists already"),
    ("OFPBFC_BUNDLE_CLOSED", "a bundle that is closed"),
    ("OFPBFC_OUT_OF_BUNDLES", "too many bundles"),
    ("OFPBFC_BAD_TYPE", "a step of a bundle that the switch does not know"),
    ("OFPBFC_BAD_FLAGS", "a bundle's flags that the switch cannot do"),
    ("OFPBFC_MSG_BAD_LEN", "a bundled message of the wrong length"),
    ("OFPBFC_MSG_BAD_XID", "a bundled message with another transaction id than its envelope"),
    ("OFPBFC_MSG_UNSUP", "a message that cannot be bundled"),
    ("OFPBFC_MSG_CONFLICT", "bundled messages that contradict each other"),
    ("OFPBFC_MSG_TOO_MANY", "too many messages in a bundle"),
    ("OFPBFC_MSG_FAILED", "one of the bundled messages failed"),
    ("OFPBFC_TIMEOUT", "a bundle that took too long"),
    ("OFPBFC_BUNDLE_IN_PROGRESS", "another bundle is being committed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence_with_the_name_in_the_specification() {
        let error = |kind, code, experimenter| SwitchError { kind, code, experimenter, data: vec![] }.to_string();
        assert_eq!(error(2, 4, None), "an output to a port that cannot be (OFPBAC_BAD_OUT_PORT)");
        let failed = "one of the bundled messages failed (OFPBFC_MSG_FAILED)";
        assert_eq!((error(17, 13, None), error(0xffff, 2313, Some(ONF))), (failed.into(), failed.into()));
        assert_eq!(error(12, 99, None), "meter-mod failed (type 12, code 99)");
        assert_eq!(error(77, 0, None), "error of unknown type (type 77, code 0)");
        assert_eq!(error(0xffff, 9, Some(0x2320)), "experimenter 0x00002320's error 9");
    }
}
