-- Lists in the order of creation, and by name, a page at a time: a page costs the same whatever there is.

CREATE INDEX networks_created ON networks (created_at, id);
CREATE INDEX subnets_created ON subnets (created_at, id);
CREATE INDEX ports_created ON ports (created_at, id);

DROP INDEX networks_name;
DROP INDEX subnets_name;
DROP INDEX ports_name;
CREATE INDEX networks_name ON networks (name, id);
CREATE INDEX subnets_name ON subnets (name, id);
CREATE INDEX ports_name ON ports (name, id);

-- What rules can be ordered by; kept among their attributes. NULL, which means any, comes first.
ALTER TABLE security_group_rules ADD COLUMN direction TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.direction'), '')) VIRTUAL;
ALTER TABLE security_group_rules ADD COLUMN ethertype TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.ethertype'), '')) VIRTUAL;
ALTER TABLE security_group_rules ADD COLUMN protocol TEXT NOT NULL
    GENERATED ALWAYS AS (COALESCE(json_extract(attributes, '$.protocol'), '')) VIRTUAL;
