// What a client of another language sees; prints it as JSON. Usage: smoke.js DSN USER PASSWORD
"use strict";
const oracledb = require("oracledb");

async function main([connectString, user, password]) {
  const connection = await oracledb.getConnection({ connectString, user, password });
  await connection.execute(
    "CREATE TABLE smoke_js (id NUMBER(10), n NUMBER, v VARCHAR2(20), d DATE, c CLOB)");
  const rows = [[1, 0.5, "grün", new Date(Date.UTC(2024, 1, 29, 13, 14, 15))], [2, null, null, null]];
  const inserted = await connection.executeMany(
    "INSERT INTO smoke_js (id, n, v, d) VALUES (:1, :2, :3, :4)", rows);
  await connection.execute("UPDATE smoke_js SET c = :1 WHERE id = 1", ["x".repeat(50000)]);
  await connection.commit();
  oracledb.fetchAsString = [oracledb.CLOB];
  const back = await connection.execute(
    "SELECT id, n, v, TO_CHAR(d, 'YYYY-MM-DD HH24:MI:SS') AS d, c FROM smoke_js ORDER BY id");
  let refused = null;
  try {
    await connection.execute("SELECT * FROM no_such_table");
  } catch (error) {
    refused = error.errorNum;
  }
  await connection.execute("DROP TABLE smoke_js PURGE");
  await connection.close();
  const shown = back.rows.map(([id, n, v, d, c]) => [id, n, v, d, c === null ? 0 : c.length]);
  console.log(JSON.stringify({ inserted: inserted.rowsAffected, rows: shown, refused }));
}

main(process.argv.slice(2)).catch((error) => { console.error(error); process.exit(1); });
