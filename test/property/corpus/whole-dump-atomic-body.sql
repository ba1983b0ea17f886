--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

CREATE FUNCTION f() RETURNS int
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT 1;
 SELECT ';--';
END;

CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);

--
-- PostgreSQL database dump complete
--

\unrestrict abc

