// Reads one JSON text a line on standard input, each an Oracle statement; answers each with the
// first syntax error as JSON text, or null.
const { CharStreams, CommonTokenStream } = require("antlr4ts");
const { PredictionMode } = require("antlr4ts/atn/PredictionMode");
const { PlSqlLexer } = require("antlr4ts-sql/dist/src/grammar-output/plsql/PlSqlLexer");
const { PlSqlParser } = require("antlr4ts-sql/dist/src/grammar-output/plsql/PlSqlParser");

// SLL is many times faster, and what it accepts LL accepts; what it refuses, LL is asked about.
function firstError(statement) {
  return firstErrorBy(PredictionMode.SLL, statement) && firstErrorBy(PredictionMode.LL, statement);
}

function firstErrorBy(mode, statement) {
  const errors = [];
  const listener = {
    syntaxError: (_recognizer, _symbol, line, column, message) =>
      errors.push(`line ${line}:${column} ${message}`.slice(0, 100)),
  };
  // The grammar is case sensitive and wants upper case; quoted text may change with it.
  const lexer = new PlSqlLexer(CharStreams.fromString(statement.toUpperCase() + "\n;"));
  lexer.removeErrorListeners();
  lexer.addErrorListener(listener);
  const parser = new PlSqlParser(new CommonTokenStream(lexer));
  parser.interpreter.setPredictionMode(mode);
  parser.removeErrorListeners();
  parser.addErrorListener(listener);
  parser.sql_script();
  return errors.length ? errors[0] : null;
}

const lines = require("fs").readFileSync(0, "utf-8").split("\n").filter(Boolean);
for (const line of lines) {
  console.log(JSON.stringify(firstError(JSON.parse(line))));
}
