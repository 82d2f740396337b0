//! Networks, ports, hosts, interest, revisions: what each host must know
