"""The monolith to compare with: FastAPI, asyncpg and aiokafka in one process, as a good author would write it."""
