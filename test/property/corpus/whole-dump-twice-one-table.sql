--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

COPY public.users (id, name) FROM stdin;
1	Ada
\.

COPY public.users (id, name) FROM stdin;
2	Eve
\.

--
-- PostgreSQL database dump complete
--

\unrestrict abc

