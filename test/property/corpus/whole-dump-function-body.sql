--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$
COPY public.users (id) FROM stdin;
1
\.
-- PostgreSQL database dump complete
'"/* -- $1 $$ $__$
$_$;

COPY public.users (id, name) FROM stdin;
1	Ada
\.

--
-- PostgreSQL database dump complete
--

\unrestrict abc

