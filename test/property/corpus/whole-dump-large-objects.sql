--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

SELECT pg_catalog.lo_create('1');
BEGIN;

SELECT pg_catalog.lo_open('1', 131072);
SELECT pg_catalog.lowrite(0, '\x5c2e0a');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- PostgreSQL database dump complete
--

\unrestrict abc

