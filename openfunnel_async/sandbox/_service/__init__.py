"""The service: jobs, companies, credits, time, operations and their answers."""
