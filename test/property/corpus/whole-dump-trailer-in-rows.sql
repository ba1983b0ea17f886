--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

COPY public.users (id, name) FROM stdin;
-- PostgreSQL database dump complete	--
--\n-- PostgreSQL database dump complete	\\.
\\.
\N	\\
\.

--
-- PostgreSQL database dump complete
--

\unrestrict abc

