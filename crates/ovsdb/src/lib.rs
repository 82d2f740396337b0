//! OVSDB (RFC 7047 with monitor_cond_since): codec, replica, connection
