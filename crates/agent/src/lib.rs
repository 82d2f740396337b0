//! OVSDB and OpenFlow connections around the host state
