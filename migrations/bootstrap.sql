-- Run once by a superuser, in the database `trivium` that belongs to trivium_writer:
--   CREATE ROLE trivium_writer LOGIN;
--   CREATE DATABASE trivium OWNER trivium_writer ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
-- (on CockroachDB: CREATE DATABASE trivium OWNER trivium_writer). Both roles log in by client certificate.
CREATE ROLE trivium_reader LOGIN;
ALTER ROLE trivium_reader SET default_transaction_read_only = on;
ALTER ROLE trivium_reader SET statement_timeout = '30s';
