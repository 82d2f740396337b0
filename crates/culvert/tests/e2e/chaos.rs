//! The failure table of the design, row by row: probes every 1 ms between VMs on all host pairs while things die and come
//! back. [docs/reliability.md](../../../../docs/reliability.md) has the table with figures; `make reliability` measures them.

mod agent;
mod churn;
mod migration;
mod ovs;
mod peers;
mod rig;
mod run;
mod server;
mod twins;
