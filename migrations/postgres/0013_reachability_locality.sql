-- replaces: 0012_reachability
-- works with: 0007_cidr_groups
-- PostgreSQL has one locality. A row per cluster that is written again and again: room for that on its own page.

ALTER TABLE reachability_state SET (fillfactor = 50);
