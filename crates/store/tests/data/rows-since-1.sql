-- What a database can hold since version 1: a network with a subnet, a port that is bound, and a host.

INSERT INTO meta (one, epoch, revision) VALUES (1, x'000000000000000000000000000000e0', 7);
INSERT INTO change_log (revision, kind, object) VALUES
    (6, 'network', '00000000-0000-0000-0000-0000000000a0'),
    (7, 'port', '00000000-0000-0000-0000-0000000000c0');

INSERT INTO networks VALUES
    (x'000000000000000000000000000000a0', 'p1', 'n1', TRUE, 1458, '{"tags":["red"]}', 1000, 2000, 3);
INSERT INTO segments VALUES (x'000000000000000000000000000000a0', 'gre', 6);
INSERT INTO subnets VALUES
    (x'000000000000000000000000000000b0', x'000000000000000000000000000000a0', 'p1', 's1', '10.0.0.0/24', x'0a000001',
     TRUE, x'0a000009', '{}', 1000, 1000, 1);
INSERT INTO allocation_pools VALUES (x'000000000000000000000000000000b0', x'0a000002', x'0a0000fe');
INSERT INTO free_ranges VALUES
    (x'000000000000000000000000000000b0', x'0a000002', x'0a000007'),
    (x'000000000000000000000000000000b0', x'0a000009', x'0a0000fe');
INSERT INTO ports VALUES
    (x'000000000000000000000000000000c0', x'000000000000000000000000000000a0', 'p1', '8', x'fa163eb3e77a', TRUE,
     'vm', 'compute:nova', 'ACTIVE', TRUE, 5, '{"description":"web"}', 1000, 3000, 4);
INSERT INTO fixed_ips VALUES
    (x'000000000000000000000000000000b0', x'0a000008', x'000000000000000000000000000000c0', 0);
INSERT INTO bindings (port_id, host, vif_type) VALUES (x'000000000000000000000000000000c0', 'compute1', 'ovs');
INSERT INTO hosts (name, id, endpoint, tunnel_types, admin_state_up, configurations, boot_id, software, created_at,
    started_at, heartbeat_at)
    VALUES ('compute1', x'000000000000000000000000000000d0', x'0a00011f', 'gre,vxlan', FALSE, '{}', 'boot', 'culvert',
        1000, 2000, 3000);
