--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

CREATE TABLE t (a int);
--
-- PostgreSQL database dump complete
--

\unrestrict abc

--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

COPY public.users (id, name) FROM stdin;
1	Ada
\.

--
-- PostgreSQL database dump complete
--

\unrestrict abc

--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

CREATE INDEX i ON t (a);
--
-- PostgreSQL database dump complete
--

\unrestrict abc

