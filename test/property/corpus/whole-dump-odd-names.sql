--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

COPY "Odd Schema"."ta.ble" ("a b", "; FROM stdin;") FROM stdin;
\.

COPY public."a
""b"" FROM stdin;
" (x) FROM stdin;
1
\.

COPY public.none  FROM stdin;


\.

--
-- PostgreSQL database dump complete
--

\unrestrict abc

