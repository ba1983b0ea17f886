SELECT $a$a$a$ $ab$ $a$; $1$; a$$b $9a$ ;$$;$ $$;
