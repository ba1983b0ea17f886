--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

SELECT 1 /*/ ' */ + 2 */*/ " */ 3;
SELECT E'\';\\', U&'\', '--', '/*', "x;'", a$b$, $1;
COMMENT ON TABLE t IS 'a''; COPY public.t FROM stdin;
-- PostgreSQL database dump complete
';
/* a /* b */ ; \. */
--
-- PostgreSQL database dump complete
--

\unrestrict abc

