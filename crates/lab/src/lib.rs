//! Hosts as network namespaces, each with its own OVS
