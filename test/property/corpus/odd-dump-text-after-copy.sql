COPY public.users (id) FROM stdin; x
\.
