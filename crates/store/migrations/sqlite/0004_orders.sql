-- What else lists can be ordered by; kept elsewhere in the row. What there is none of comes first.

ALTER TABLE networks ADD COLUMN zone_hints TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.availability_zone_hints'), '')) VIRTUAL;

ALTER TABLE subnets ADD COLUMN ip_version INTEGER NOT NULL
    GENERATED ALWAYS AS (CASE length(next_ip) WHEN 4 THEN 4 ELSE 6 END) VIRTUAL;
ALTER TABLE subnets ADD COLUMN gateway BLOB NOT NULL
    GENERATED ALWAYS AS (COALESCE(gateway_ip, x'')) VIRTUAL;
ALTER TABLE subnets ADD COLUMN ra_mode TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.ipv6_ra_mode'), '')) VIRTUAL;
ALTER TABLE subnets ADD COLUMN address_mode TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.ipv6_address_mode'), '')) VIRTUAL;

ALTER TABLE security_group_rules ADD COLUMN port_range_min INTEGER NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.port_range_min'), -1)) VIRTUAL;
ALTER TABLE security_group_rules ADD COLUMN port_range_max INTEGER NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.port_range_max'), -1)) VIRTUAL;
ALTER TABLE security_group_rules ADD COLUMN remote_ip_prefix TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.remote_ip_prefix'), '')) VIRTUAL;
ALTER TABLE security_group_rules ADD COLUMN remote_group BLOB NOT NULL
    GENERATED ALWAYS AS (COALESCE(remote_group_id, x'')) VIRTUAL;
