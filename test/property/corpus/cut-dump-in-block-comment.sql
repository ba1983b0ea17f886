--
-- PostgreSQL database dump
--

\restrict abc

SET lock_timeout = 0;

/* 
-- PostgreSQL database dump complete
--

