--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

COPY public.users (id, name) FROM stdin;
1	Ada
\.

--
-- PostgreSQL database dump compl