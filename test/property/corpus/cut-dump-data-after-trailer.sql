--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

--
-- PostgreSQL database dump complete
--

\unrestrict abc

COPY public.users (id, name) FROM stdin;
1	Ada
\.

