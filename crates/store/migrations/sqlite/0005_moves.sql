-- The binding that a port had before, while its host still has the port wired and the new one has not.

ALTER TABLE bindings ADD COLUMN former_host TEXT;
ALTER TABLE bindings ADD COLUMN former_generation BIGINT;
