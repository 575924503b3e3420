//! A copy of the database, as a backup has it, and its return.

use anyhow::Result;

use super::World;
use crate::database::{connect, fresh};

/// A database as it was.
pub struct Copy(String);

impl World {
    /// Copies the database; nobody but this may be connected to it.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn copy(&mut self) -> Result<Copy> {
        let copy = fresh("copy");
        let admin = connect(&self.admin_url).await?;
        self.leave(&admin).await?;
        let database = &self.database;
        admin.batch_execute(&format!("CREATE DATABASE {copy} TEMPLATE {database}")).await?;
        self.reconnect().await?;
        Ok(Copy(copy))
    }

    /// Puts a copy in the place of the database, whoever is connected.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn put_back(&mut self, Copy(copy): Copy) -> Result<()> {
        let admin = connect(&self.admin_url).await?;
        let database = &self.database;
        admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await?;
        admin.batch_execute(&format!("ALTER DATABASE {copy} RENAME TO {database}")).await?;
        self.reconnect().await
    }

    async fn leave(&mut self, admin: &tokio_postgres::Client) -> Result<()> {
        let sql = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
                   WHERE datname = $1";
        admin.execute(sql, &[&self.database]).await?;
        Ok(())
    }
}
