-- A schema in which everything has the name of something of PostgreSQL's own, and raises when it is
-- called. What is raised stands in the server's log, whoever suppresses it.
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.caught(name pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a plant was called: %', name; END $$;

CREATE TABLE public.planted (kind pg_catalog.text, name pg_catalog.text);

DO $do$
DECLARE
  one record;
  body constant pg_catalog.text := '$$ BEGIN RAISE EXCEPTION ''a plant was called: %%'', %L; END $$';
BEGIN
  -- Functions, by every signature that a function in PL/pgSQL may have.
  FOR one IN
    SELECT p.oid, p.proname, p.prokind, p.proretset,
           pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
           pg_catalog.pg_get_function_result(p.oid) AS result
    FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind IN ('f', 'w')
      AND pg_catalog.pg_get_function_result(p.oid) IS NOT NULL
  LOOP
    BEGIN
      EXECUTE pg_catalog.format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS ' || body,
                                one.proname, one.arguments, one.result, one.proname);
      INSERT INTO public.planted VALUES ('function', one.proname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;

  -- What takes values of any type, as far as PL/pgSQL can.
  FOR one IN
    SELECT DISTINCT p.proname, x.arguments FROM pg_catalog.pg_proc p, (
      VALUES ('VARIADIC pg_catalog.text[]'), ('pg_catalog.text'), ('pg_catalog.text, pg_catalog.text'),
             ('pg_catalog.text, pg_catalog.oid'), ('pg_catalog.text, pg_catalog.name'),
             ('pg_catalog.timestamptz, pg_catalog.text, pg_catalog.text')) AS x (arguments)
    WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind = 'f'
      AND p.proargtypes[0] = 'pg_catalog."any"'::pg_catalog.regtype
  LOOP
    BEGIN
      EXECUTE pg_catalog.format(
        'CREATE FUNCTION evil.%I(%s) RETURNS pg_catalog.text LANGUAGE plpgsql AS ' || body,
        one.proname, one.arguments, one.proname);
      INSERT INTO public.planted VALUES ('function', one.proname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;

  -- Aggregates: a step that raises.
  FOR one IN
    SELECT DISTINCT p.proname, CASE WHEN p.pronargs = 0 THEN '*' ELSE t.typname::pg_catalog.text END AS argument
    FROM pg_catalog.pg_proc p
    LEFT JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
    WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind = 'a'
      AND p.pronargs < 2
  LOOP
    BEGIN
      EXECUTE pg_catalog.format(
        'CREATE OR REPLACE FUNCTION evil.%I(pg_catalog.int8%s) RETURNS pg_catalog.int8 LANGUAGE plpgsql AS ' || body,
        'step of ' || one.proname,
        CASE one.argument WHEN '*' THEN '' WHEN 'any' THEN ', pg_catalog.anyelement'
                          ELSE ', pg_catalog.' || pg_catalog.quote_ident(one.argument) END, one.proname);
      EXECUTE pg_catalog.format(
        'CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.%I, STYPE = pg_catalog.int8)', one.proname,
        CASE one.argument WHEN '*' THEN '*' WHEN 'any' THEN 'pg_catalog.anyelement'
                          ELSE 'pg_catalog.' || pg_catalog.quote_ident(one.argument) END,
        'step of ' || one.proname);
      INSERT INTO public.planted VALUES ('function', one.proname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;

  -- Operators, of every signature.
  FOR one IN
    SELECT o.oid, o.oprname, l.typname AS left, r.typname AS right, x.typname AS result
    FROM pg_catalog.pg_operator o
    LEFT JOIN pg_catalog.pg_type l ON l.oid = o.oprleft
    JOIN pg_catalog.pg_type r ON r.oid = o.oprright
    JOIN pg_catalog.pg_type x ON x.oid = o.oprresult
    WHERE o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace
  LOOP
    BEGIN
      EXECUTE pg_catalog.format(
        'CREATE FUNCTION evil.%I(%spg_catalog.%I) RETURNS pg_catalog.%I LANGUAGE plpgsql AS ' || body,
        'operator ' || one.oid,
        CASE WHEN one.left IS NULL THEN '' ELSE pg_catalog.format('pg_catalog.%I, ', one.left) END,
        one.right, one.result, 'operator ' || one.oprname);
      EXECUTE pg_catalog.format(
        'CREATE OPERATOR evil.%s (%sRIGHTARG = pg_catalog.%I, FUNCTION = evil.%I)', one.oprname,
        CASE WHEN one.left IS NULL THEN ''
             ELSE pg_catalog.format('LEFTARG = pg_catalog.%I, ', one.left) END,
        one.right, 'operator ' || one.oid);
      INSERT INTO public.planted VALUES ('operator', one.oprname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;

  -- Types: domains over each, which hold no value.
  FOR one IN
    SELECT t.typname FROM pg_catalog.pg_type t
    WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typtype = 'b'
      AND t.typcategory <> 'A'
  LOOP
    BEGIN
      EXECUTE pg_catalog.format(
        'CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.caught(%L))', one.typname, one.typname,
        'type ' || one.typname);
      INSERT INTO public.planted VALUES ('type', one.typname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;

  -- Relations: views of each that raise.
  FOR one IN
    SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v')
  LOOP
    BEGIN
      EXECUTE pg_catalog.format(
        'CREATE VIEW evil.%I AS SELECT * FROM pg_catalog.%I WHERE evil.caught(%L)', one.relname,
        one.relname, 'relation ' || one.relname);
      INSERT INTO public.planted VALUES ('relation', one.relname);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
END $do$;
GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
