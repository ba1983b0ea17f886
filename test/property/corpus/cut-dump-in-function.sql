--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

CREATE FUNCTION f() AS $_$
-- PostgreSQL database dump complete
--

