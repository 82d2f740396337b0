-- What it can hold since version 2, besides: a security group with a rule, a prepared binding, a quota.

INSERT INTO security_groups VALUES
    (x'000000000000000000000000000000f0', 'p1', 'default', TRUE, TRUE, '{}', 1000, 1000, 1);
INSERT INTO security_group_rules (id, security_group_id, project_id, remote_group_id, meaning, attributes, created_at)
    VALUES (x'000000000000000000000000000000f1', x'000000000000000000000000000000f0', 'p1', NULL, 'ssh',
        '{"direction":"ingress","ethertype":"IPv4","protocol":"tcp","port_range_min":22,"port_range_max":22}', 1000);
INSERT INTO port_security_groups VALUES
    (x'000000000000000000000000000000f0', x'000000000000000000000000000000c0');
INSERT INTO inactive_bindings VALUES (x'000000000000000000000000000000c0', 'compute2', 'ovs', '{}');
INSERT INTO quotas VALUES ('p1', 'port', 10);
UPDATE hosts SET description = 'rack 7';
