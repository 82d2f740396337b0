-- Security groups and their rules: kept, checked and shown. Nothing enforces them yet, so a rule is a document; it has
-- columns for what its group and the group that it names need, and its meaning as text, by which two that say the same
-- are known.

CREATE TABLE security_groups (
    id BLOB PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    stateful BOOLEAN NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default;
CREATE INDEX security_groups_project ON security_groups (project_id);
CREATE INDEX security_groups_name ON security_groups (name);

CREATE TABLE security_group_rules (
    id BLOB PRIMARY KEY,
    security_group_id BLOB NOT NULL REFERENCES security_groups (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    remote_group_id BLOB REFERENCES security_groups (id) ON DELETE CASCADE,
    meaning TEXT NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (security_group_id, meaning)
);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);

-- Which ports are in a group: an index of what the ports' own attributes say.
CREATE TABLE port_security_groups (
    security_group_id BLOB NOT NULL REFERENCES security_groups (id),
    port_id BLOB NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    PRIMARY KEY (security_group_id, port_id)
) WITHOUT ROWID;
CREATE INDEX port_security_groups_port ON port_security_groups (port_id);

-- Bindings to hosts that a port may move to: prepared, not in force.
CREATE TABLE inactive_bindings (
    port_id BLOB NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    vif_type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (port_id, host)
) WITHOUT ROWID;

-- How many objects a project may have, where that is not the default; negative: any number.
CREATE TABLE quotas (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    maximum BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
) WITHOUT ROWID;

-- What an operator writes to a host.
ALTER TABLE hosts ADD COLUMN description TEXT;

-- Counted by the quotas.
CREATE INDEX networks_project ON networks (project_id);
CREATE INDEX subnets_project ON subnets (project_id);
CREATE INDEX ports_project ON ports (project_id);
