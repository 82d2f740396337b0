//! The database: SQLite, migrations, change log
