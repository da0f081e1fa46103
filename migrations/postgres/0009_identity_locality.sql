-- replaces: 0008_identity_life
-- works with: 0007_cidr_groups
-- PostgreSQL has one locality. Identities' counts change with every endpoint: room for that on the row's own page.

ALTER TABLE identities SET (fillfactor = 70);
