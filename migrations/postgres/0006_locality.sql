-- replaces: 0005_admin_views
-- PostgreSQL has one locality. What it needs instead: room on the page of the hot row, so that its new versions stay
-- there (HOT), and vacuum soon after they die.

ALTER TABLE cluster_rev SET (fillfactor = 10, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

ALTER TABLE agents SET (fillfactor = 50);

ALTER TABLE agent_positions SET (fillfactor = 50);
