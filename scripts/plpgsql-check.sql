-- Everything that plpgsql_check finds in our functions, then one line that says how many it read.
-- A trigger function that serves several events gets both transition tables: it asks TG_OP which of them is there.
CREATE TEMPORARY TABLE checked AS
SELECT p.oid, coalesce(t.tgrelid, 0) AS relation, CASE WHEN t.oid IS NOT NULL THEN 'new_rows' END AS new_rows, CASE WHEN t.oid IS NOT NULL THEN 'old_rows' END AS old_rows
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'jdl'
LEFT JOIN pg_trigger t ON t.tgfoid = p.oid AND NOT t.tgisinternal
WHERE p.prorettype <> 'trigger'::regtype OR t.oid IS NOT NULL;
SELECT c.oid::regprocedure, f.lineno, f.level, f.message, f.detail
FROM checked c, plpgsql_check_function_tb(c.oid, relid => c.relation::regclass, oldtable => c.old_rows, newtable => c.new_rows,
                                          security_warnings => true, extra_warnings => false, performance_warnings => false) f
ORDER BY 1, 2;
SELECT format('plpgsql_check: %s functions, %s with their triggers'' tables', count(DISTINCT oid), count(*)) FROM checked;
