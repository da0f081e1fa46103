-- replaces: 0007_identity_life
-- PostgreSQL has one locality. Identities' counts change with every endpoint: room for that on the row's own page.

ALTER TABLE identities SET (fillfactor = 70);
