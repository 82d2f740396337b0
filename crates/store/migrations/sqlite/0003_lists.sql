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
