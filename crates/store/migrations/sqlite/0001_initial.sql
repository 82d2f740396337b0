-- Ids are 16 bytes, addresses 4 or 16 bytes in network order (so that they sort as numbers do), times microseconds
-- since 1970 (UTC). What the API keeps but nothing here acts on is one JSON object per row, `attributes`.

-- Small rows that are looked up by their key alone live in the key's own tree (WITHOUT ROWID): one page fewer to write.

-- One row: who this history is, and the revision of its last commit. Revisions are taken from here, in the
-- transaction that they number, so that commit order is revision order.
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch BLOB NOT NULL,
    revision BIGINT NOT NULL
);

-- What each revision touched. Level-triggered: a reader looks up the object, which may be gone.
CREATE TABLE change_log (
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (revision, kind, object)
) WITHOUT ROWID;

CREATE TABLE networks (
    id BLOB PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    mtu BIGINT NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX networks_name ON networks (name);

CREATE TABLE segments (
    network_id BLOB PRIMARY KEY REFERENCES networks (id) ON DELETE CASCADE,
    tunnel_type TEXT NOT NULL,
    tunnel_key BIGINT NOT NULL,
    UNIQUE (tunnel_type, tunnel_key)
) WITHOUT ROWID;

CREATE TABLE subnets (
    id BLOB PRIMARY KEY,
    network_id BLOB NOT NULL REFERENCES networks (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    cidr TEXT NOT NULL,
    gateway_ip BLOB,
    enable_dhcp BOOLEAN NOT NULL,
    -- the address after the one given out last: a freed address rests as long as possible
    next_ip BLOB NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_name ON subnets (name);

CREATE TABLE allocation_pools (
    subnet_id BLOB NOT NULL REFERENCES subnets (id) ON DELETE CASCADE,
    first_ip BLOB NOT NULL,
    last_ip BLOB NOT NULL,
    PRIMARY KEY (subnet_id, first_ip)
) WITHOUT ROWID;

-- The addresses of the pools that no port has, as disjoint ranges that never touch: finding, taking and giving back
-- an address is one look into the index whatever the size of the subnet.
CREATE TABLE free_ranges (
    subnet_id BLOB NOT NULL REFERENCES subnets (id) ON DELETE CASCADE,
    first_ip BLOB NOT NULL,
    last_ip BLOB NOT NULL,
    PRIMARY KEY (subnet_id, first_ip)
) WITHOUT ROWID;
CREATE UNIQUE INDEX free_ranges_last ON free_ranges (subnet_id, last_ip);

CREATE TABLE ports (
    id BLOB PRIMARY KEY,
    network_id BLOB NOT NULL REFERENCES networks (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    mac BLOB NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    device_id TEXT NOT NULL,
    device_owner TEXT NOT NULL,
    status TEXT NOT NULL,
    wired BOOLEAN NOT NULL,
    -- the generation of the newest binding, kept when there is none any more: it is never given again
    generation BIGINT NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision_number BIGINT NOT NULL,
    UNIQUE (network_id, mac)
);
CREATE INDEX ports_name ON ports (name);
CREATE INDEX ports_device ON ports (device_id);
CREATE INDEX ports_mac ON ports (mac);

CREATE TABLE fixed_ips (
    subnet_id BLOB NOT NULL REFERENCES subnets (id),
    ip BLOB NOT NULL,
    port_id BLOB NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    PRIMARY KEY (subnet_id, ip)
) WITHOUT ROWID;
CREATE INDEX fixed_ips_port ON fixed_ips (port_id);
CREATE INDEX fixed_ips_ip ON fixed_ips (ip);

CREATE TABLE bindings (
    port_id BLOB PRIMARY KEY REFERENCES ports (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    vif_type TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX bindings_host ON bindings (host);

CREATE TABLE hosts (
    name TEXT PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    endpoint BLOB NOT NULL UNIQUE,
    tunnel_types TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    configurations TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    software TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL
);
