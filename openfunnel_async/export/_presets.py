"""Columns for the imports of other systems."""

from types import MappingProxyType

HUBSPOT_COMPANIES: MappingProxyType[str, str] = MappingProxyType(
    {
        "name": "Company name",
        "domain": "Company domain name",
        "employee_count": "Number of employees",
        "revenue_usd": "Annual revenue",
        "hq_city": "City",
        "hq_region": "State/Region",
        "hq_country": "Country/Region",
        "linkedin_url": "LinkedIn company page",
        "description": "Description",
    }
)
"""``columns=`` for an import of companies into HubSpot.

The headers are the labels of HubSpot's own properties, which its import recognizes. It
finds existing companies by *Company domain name*. ``industries`` is left out: HubSpot's
*Industry* accepts the values of its own list only.
"""

SALESFORCE_ACCOUNTS: MappingProxyType[str, str] = MappingProxyType(
    {
        "name": "Account Name",
        "domain": "Website",
        "employee_count": "Employees",
        "revenue_usd": "Annual Revenue",
        "hq_city": "Billing City",
        "hq_region": "Billing State/Province",
        "hq_country": "Billing Country",
        "description": "Description",
    }
)
"""``columns=`` for an import of accounts by Salesforce's Data Import Wizard.

The headers are the labels of the account's standard fields. *Account Name* is required
there, and a row without it is refused. Salesforce has no standard field for a LinkedIn
page; add your own: ``SALESFORCE_ACCOUNTS | {"linkedin_url": "LinkedIn URL"}``.
"""
