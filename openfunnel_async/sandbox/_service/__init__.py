"""What the service does with a request: jobs, companies, credits, time and answers."""
